/** Steps and epochs of a training in, lines for the person at the terminal out. */

import type { MaskFigures } from './mask-figures.ts'
import type { TrainingEvent } from './run-training.ts'
import { deadReason, type SbmDiagnostics } from './structure-diagnostics.ts'
import type { EpochRecord } from './training-record.ts'

export interface ProgressPrinter {
  report(event: TrainingEvent): void
}

export interface ProgressOutput {
  write(text: string): void
  /** Whether a line can be written over. */
  readonly overwrites: boolean
  /** Milliseconds from any fixed moment. */
  now(): number
}

const BAR_CELLS = 24
/** Between two plain lines within an epoch. */
const PLAIN_INTERVAL_MS = 30_000

/** One line that is written over on a terminal; elsewhere a plain line every half minute; always a line for each epoch. */
export function createProgressPrinter(output: ProgressOutput): ProgressPrinter {
  const startedAt = output.now()
  let firstStep: number | null = null
  let printedAt = startedAt
  return {
    report(event) {
      if (event.kind === 'epoch') {
        output.write(`${output.overwrites ? '\r\u001b[K' : ''}${epochLine(event.record, event.epochs)}\n`)
        return
      }
      firstStep ??= event.step - 1
      if (!output.overwrites && output.now() - printedAt < PLAIN_INTERVAL_MS) return
      printedAt = output.now()
      const msPerStep = (output.now() - startedAt) / (event.step - firstStep)
      const line = stepLine(event, msPerStep)
      output.write(output.overwrites ? `\r${line}\u001b[K` : `${line}\n`)
    },
  }
}

/** `epoch 3 [#####     ] step 150/2190  loss 0.512  210 ms/step  7 min left` */
export function stepLine({ step, steps, epoch, loss }: Extract<TrainingEvent, { kind: 'step' }>, msPerStep: number): string {
  const filled = Math.floor((BAR_CELLS * step) / steps)
  const bar = '#'.repeat(filled).padEnd(BAR_CELLS)
  return `epoch ${epoch} [${bar}] step ${step}/${steps}  loss ${loss.toFixed(3)}  ${msPerStep.toFixed(0)} ms/step  ${timeLeft((steps - step) * msPerStep)} left`
}

/** Whole minutes from two minutes on, else whole seconds; hours with minutes from two hours on. */
export function timeLeft(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** The figures of one epoch, and of the structure where there is one. */
export function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, trainingLoss, validationLoss, validationAuc, validationAccuracy, structure, masks } = record
  const figures = `epoch ${epoch}/${epochs}  loss ${trainingLoss.toFixed(4)}  validation loss ${validationLoss.toFixed(4)} AUC ${validationAuc.toFixed(4)} accuracy ${validationAccuracy.toFixed(4)}`
  return [figures, ...(masks === undefined ? [] : [masksText(masks)]), ...structure.map(structureText)].join('  ')
}

function masksText({ loss, pointing, iou }: MaskFigures): string {
  return `masks: loss ${loss.toFixed(3)} pointing ${pointing.toFixed(3)} IoU ${iou.toFixed(3)}`
}

function structureText(diagnostics: EpochRecord['structure'][number]): string {
  const dead = deadReason(diagnostics)
  const warning = dead === null ? '' : ` DEAD: ${dead}`
  if ('density' in diagnostics) return `layer ${diagnostics.layer}: ${densityText(diagnostics)}${warning}`
  const { layer, zeroDegreeShare, meanDegree, largestClassTokenBias, classTokenBiasSpread, effectiveCommunities, membershipConfidence, distinctCommunities } = diagnostics
  return `layer ${layer}: zero degrees ${zeroDegreeShare.toFixed(2)} mean degree ${meanDegree.toFixed(3)} class-token bias max ${largestClassTokenBias.toFixed(2)} spread ${classTokenBiasSpread.toFixed(3)} communities ${effectiveCommunities.toFixed(1)} of which in one image ${distinctCommunities.toFixed(1)}, confidence ${membershipConfidence.toFixed(2)}${warning}`
}

function densityText({ density, headDensities, maskDeviation }: SbmDiagnostics): string {
  const heads = headDensities === undefined ? '' : ` (heads ${headDensities.map((value) => value.toFixed(2)).join(' ')})`
  return `density ${density.toFixed(3)}${heads}${maskDeviation === undefined ? '' : ` mask SD ${maskDeviation.toFixed(3)}`}`
}
