/** The colors of what surrounds the pictures: ground, words, and lines that keep in the background. */
import type { Rgb } from './label-colors.ts'

export const GROUND: Rgb = [18, 18, 20]
export const INK: Rgb = [235, 235, 235]
export const FAINT: Rgb = [150, 150, 150]
