import { describe, expect, it } from 'vitest'
import { createProgressPrinter, epochLine, stepLine, timeLeft } from '../../../models/training/progress-line.ts'

const record = { epoch: 3, trainingLoss: 0.5, validationLoss: 0.25, validationAccuracy: 0.875, validationAuc: 0.96875, structure: [] }
const masks = { loss: 0.75, pointing: 0.6, iou: 0.4 }
const dcmm = {
  layer: 5,
  zeroDegreeShare: 0,
  meanDegree: 0.5,
  largestClassTokenBias: 2,
  classTokenBiasSpread: 0.25,
  effectiveCommunities: 6.5,
  membershipConfidence: 0.75,
  distinctCommunities: 4,
}

/** A printer whose clock moves as the test says. */
function printerAt(overwrites: boolean) {
  const clock = { ms: 0 }
  const written: string[] = []
  const printer = createProgressPrinter({ write: (text) => written.push(text), overwrites, now: () => clock.ms })
  return { clock, written, step: (step: number) => printer.report({ kind: 'step', step, steps: 100, epoch: 1, loss: 0.5 }), printer }
}

describe('the progress of a training', () => {
  it('is one line with bar, step, loss, speed and time left', () => {
    expect(stepLine({ kind: 'step', step: 50, steps: 100, epoch: 2, loss: 0.4321 }, 200)).toBe('epoch 2 [############            ] step 50/100  loss 0.432  200 ms/step  10 s left')
  })

  it('tells of an epoch how well masks are found, where a recipe looks at them', () => {
    expect(epochLine({ ...record, masks }, 8)).toContain('  masks: loss 0.750 pointing 0.600 IoU 0.400')
    expect(epochLine(record, 8)).not.toContain('masks')
  })

  it('writes over its line on a terminal', () => {
    const { written, step } = printerAt(true)
    step(1)
    step(2)
    expect(written).toHaveLength(2)
    for (const text of written) expect({ returns: text.startsWith('\r'), clearsTheRest: text.endsWith('\u001b[K') }).toEqual({ returns: true, clearsTheRest: true })
  })

  it('writes a plain line every half minute elsewhere, with the speed of this run alone after a resume', () => {
    const { clock, written, step } = printerAt(false)
    step(61) // the first step after a resume
    clock.ms = 40_000
    step(64)
    expect(written).toEqual(['epoch 1 [###############         ] step 64/100  loss 0.500  10000 ms/step  6 min left\n'])
  })

  it('states the figures of an epoch and of its structure', () => {
    expect(epochLine(record, 30)).toBe('epoch 3/30  loss 0.5000  validation loss 0.2500 AUC 0.9688 accuracy 0.8750')
    expect(epochLine({ ...record, structure: [dcmm] }, 30)).toContain('class-token bias max 2.00 spread 0.250 communities 6.5')
    expect(epochLine({ ...record, structure: [{ layer: 0, density: 0.25 }] }, 30)).toContain('layer 0: density 0.250')
    const told = { layer: 0, density: 0.25, headDensities: [0.2, 0.3], maskDeviation: 0.02 }
    expect(epochLine({ ...record, structure: [told] }, 30)).toContain('layer 0: density 0.250 (heads 0.20 0.30) mask SD 0.020')
    expect(epochLine({ ...record, structure: [{ ...told, maskDeviation: 0.001 }] }, 30)).toContain('DEAD: its edges are all as likely')
  })

  it('says loudly when the structure is dead', () => {
    expect(epochLine({ ...record, structure: [{ ...dcmm, zeroDegreeShare: 1 }] }, 30)).toContain('DEAD')
    expect(epochLine({ ...record, structure: [dcmm] }, 30)).not.toContain('DEAD')
  })

  it.each([
    [59_400, '59 s'],
    [600_000, '10 min'],
    [9_000_000, '2 h 30 min'],
  ])('tells %i ms as %s', (ms, text) => {
    expect(timeLeft(ms)).toBe(text)
  })
})
