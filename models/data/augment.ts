/**
 * One image and a key in, a slightly changed image out: mirrored, turned, zoomed, shifted, its gray values bent, a square erased.
 *
 * Nothing here changes a label by anatomy: no mirroring unless a recipe asks for it (a mirrored chest has its heart on the wrong side; a breast or an
 * eye has a mirror image on the other side of the body), no crops that could lose a small finding.
 */
import { mixKey, normalAt, uniformAt } from '../../src/tensor/counter-random.ts'

/** How strong each change is; all but the square are standard deviations of a normal draw. */
export interface Augmentation {
  readonly rotationDegrees: number
  /** Share of the size. */
  readonly zoom: number
  /** Share of the side. */
  readonly shift: number
  /** Of the logarithm of gamma. */
  readonly gamma: number
  /** Share. */
  readonly contrast: number
  /** Of the full range. */
  readonly brightness: number
  /** How often a square of a quarter of the side is set to the image's mean. */
  readonly erasedSquareProbability: number
  /** How often left and right are exchanged; for anatomy that has a mirror image alone. */
  readonly mirrorProbability: number
}

/** Source: training section 9, "level 2". */
export const AUGMENTATION_LEVEL_2: Augmentation = {
  rotationDegrees: 6,
  zoom: 0.06,
  shift: 0.035,
  gamma: 0.2,
  contrast: 0.15,
  brightness: 0.06,
  erasedSquareProbability: 0.5,
  mirrorProbability: 0,
}

/** Half of level 2, without the square. */
export const AUGMENTATION_LEVEL_1: Augmentation = {
  rotationDegrees: 3,
  zoom: 0.03,
  shift: 0.0175,
  gamma: 0.1,
  contrast: 0.075,
  brightness: 0.03,
  erasedSquareProbability: 0,
  mirrorProbability: 0,
}

export interface ImageSize {
  readonly channels: number
  readonly height: number
  readonly width: number
}

/** The key of one image in one epoch: the same whatever the batch, the order or a break in between. */
export function augmentationKey(seed: number, epoch: number, image: number): number {
  return mixKey(mixKey(mixKey(seed, AUGMENTATION_STREAM), epoch), image)
}

/** Keeps this stream apart from the shuffle's and the masks'. */
const AUGMENTATION_STREAM = 0x61756721

/** Which counter of the key each draw takes. Normal draws take the counters 2n and 2n + 1. */
const DRAW = { rotation: 0, zoom: 1, shiftY: 2, shiftX: 3, gamma: 4, contrast: 5, brightness: 6 } as const
const UNIFORM = { erase: 100, eraseTop: 101, eraseLeft: 102, mirror: 103 } as const

/** Where the pixels of an image go: rotation and zoom about the center, then a shift, then perhaps a mirror. The same for an image and its mask. */
export interface Motion {
  /** Both times the zoom's inverse. */
  readonly cosine: number
  readonly sine: number
  /** Pixels. */
  readonly shiftY: number
  readonly shiftX: number
  readonly isMirrored: boolean
}

/**
 * The changed image.
 *
 * image    [channel, height, width], in [0, 1]
 * key      of augmentationKey
 * returns  the same, in [0, 1]
 */
export function augment(image: Float32Array, size: ImageSize, settings: Augmentation, key: number): Float32Array {
  const moved = moveBy(image, size, motionOf(size, settings, key))
  bendGrayValues(moved, settings, key)
  if (uniformAt(key, UNIFORM.erase) < settings.erasedSquareProbability) eraseSquare(moved, size, key)
  return moved
}

/** The motion that `augment` gives an image with this key. */
export function motionOf({ height, width }: Pick<ImageSize, 'height' | 'width'>, settings: Augmentation, key: number): Motion {
  const angle = (settings.rotationDegrees * normalAt(key, DRAW.rotation) * Math.PI) / 180
  const scale = Math.exp(-settings.zoom * normalAt(key, DRAW.zoom))
  return {
    cosine: Math.cos(angle) * scale,
    sine: Math.sin(angle) * scale,
    shiftY: settings.shift * height * normalAt(key, DRAW.shiftY),
    shiftX: settings.shift * width * normalAt(key, DRAW.shiftX),
    isMirrored: uniformAt(key, UNIFORM.mirror) < settings.mirrorProbability,
  }
}

/** The moved image, [channel, height, width]; sampled bilinearly, the border repeated outwards. */
export function moveBy(image: Float32Array, size: ImageSize, { cosine, sine, shiftY, shiftX, isMirrored }: Motion): Float32Array {
  const { channels, height, width } = size
  const moved = new Float32Array(image.length)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      // Centers of pixels lie at half-integers; the position is measured from the image's center.
      const y = row + 0.5 - height / 2 - shiftY
      const x = column + 0.5 - width / 2 - shiftX
      const sourceY = cosine * y + sine * x + height / 2 - 0.5
      const sourceX = cosine * x - sine * y + width / 2 - 0.5
      for (let channel = 0; channel < channels; channel++) moved[(channel * height + row) * width + column] = sampleBilinear(image, channel, height, width, sourceY, sourceX)
    }
  }
  if (isMirrored) mirror(moved, size)
  return moved
}

/** Exchanges left and right, in place. */
function mirror(image: Float32Array, { width }: ImageSize): void {
  for (let start = 0; start < image.length; start += width) image.subarray(start, start + width).reverse()
}

/** The value between four pixel centers; positions outside take the nearest border pixel. */
function sampleBilinear(image: Float32Array, channel: number, height: number, width: number, y: number, x: number): number {
  const heldY = Math.min(Math.max(y, 0), height - 1)
  const heldX = Math.min(Math.max(x, 0), width - 1)
  const top = Math.floor(heldY)
  const left = Math.floor(heldX)
  const below = Math.min(top + 1, height - 1)
  const right = Math.min(left + 1, width - 1)
  const v = heldY - top
  const u = heldX - left
  const rowOf = (row: number): number => {
    const start = (channel * height + row) * width
    return (image[start + left] ?? 0) * (1 - u) + (image[start + right] ?? 0) * u
  }
  return rowOf(top) * (1 - v) + rowOf(below) * v
}

/** pixel := clamp((pixel ^ gamma - 1/2) contrast + 1/2 + brightness), the same for every pixel of the image. */
function bendGrayValues(image: Float32Array, settings: Augmentation, key: number): void {
  const gamma = Math.exp(settings.gamma * normalAt(key, DRAW.gamma))
  const contrast = 1 + settings.contrast * normalAt(key, DRAW.contrast)
  const brightness = settings.brightness * normalAt(key, DRAW.brightness)
  for (let i = 0; i < image.length; i++) {
    const bent = ((image[i] ?? 0) ** gamma - 0.5) * contrast + 0.5 + brightness
    image[i] = Math.min(1, Math.max(0, bent))
  }
}

/** Sets a square of a quarter of the shorter side to the image's mean, each channel its own. */
function eraseSquare(image: Float32Array, { channels, height, width }: ImageSize, key: number): void {
  const side = Math.max(1, Math.round(Math.min(height, width) / 4))
  const top = Math.floor(uniformAt(key, UNIFORM.eraseTop) * (height - side + 1))
  const left = Math.floor(uniformAt(key, UNIFORM.eraseLeft) * (width - side + 1))
  for (let channel = 0; channel < channels; channel++) {
    const plane = image.subarray(channel * height * width, (channel + 1) * height * width)
    const mean = plane.reduce((sum, value) => sum + value, 0) / plane.length
    for (let row = top; row < top + side; row++) plane.fill(mean, row * width + left, row * width + left + side)
  }
}
