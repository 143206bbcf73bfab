import { describe, expect, it } from 'vitest'
import { readImageTable } from '../../../models/data/read-image-table.ts'

const HEADER = 'image,class,split,patient'
const GOOD = ['a.png,sick,train,p1', 'b.png,well,train,p2', 'c.png,sick,val,p3', 'd.png,well,test,p4']
const table = (rows: readonly string[], header = HEADER): string => [header, ...rows].join('\n')

describe('readImageTable', () => {
  it('sorts rows into splits, and labels them by the sorted names of the training split', () => {
    const { by, classes, rows } = readImageTable(table(GOOD), null)
    expect(by).toBe('file')
    expect(classes).toEqual(['sick', 'well'])
    expect(rows.train).toEqual([
      { line: 2, image: 'a.png', frame: 1, label: 0, split: 'train' },
      { line: 3, image: 'b.png', frame: 1, label: 1, split: 'train' },
    ])
    expect(rows.validation).toMatchObject([{ line: 4, label: 0 }])
    expect(rows.test).toMatchObject([{ line: 5, label: 1 }])
  })

  it('takes the classes in a given order', () => {
    expect(readImageTable(table(GOOD), ['well', 'sick']).rows.train.map(({ label }) => label)).toEqual([1, 0])
  })

  it('reads frames of instances', () => {
    const { by, rows } = readImageTable(table(['1.2.3,x,train,p1,2', '1.2.3,y,train,p1,', '1.2.4,x,val,p2,1', '1.2.5,x,test,p3,1'], 'instance,class,split,patient,frame'), null)
    expect(by).toBe('instance')
    expect(rows.train.map(({ image, frame }) => [image, frame])).toEqual([
      ['1.2.3', 2],
      ['1.2.3', 1],
    ])
  })

  it.each([
    ['a patient in two splits', [...GOOD, 'e.png,well,test,p1'], /lines 2 \(train\) and 6 \(test\) .* one patient/],
    ['a split that is none', ['a.png,sick,tarin,p1'], /line 2 .* split/],
    ['an image twice', [...GOOD, 'a.png,well,train,p1'], /lines 2 and 6 .* same image/],
    ['a class that no training image has', [...GOOD, 'e.png,dead,test,p5'], /line 6 .* none of the 2 classes \(sick, well\)/],
    ['no patient', ['a.png,sick,train,'], /line 2 .* no patient/],
    ['a split without images', GOOD.slice(0, 3), /no row of the split test/],
    ['one class', ['a.png,sick,train,p1', 'c.png,sick,val,p3', 'd.png,sick,test,p4'], /1 classes/],
  ])('refuses %s, naming the lines and never the patient', (_, rows, message) => {
    let thrown: unknown
    try {
      readImageTable(table(rows), null)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'file-unreadable', message: expect.stringMatching(message) })
    expect((thrown as Error).message).not.toMatch(/p\d|\.png/)
  })

  it.each([
    ['without patients', 'image,class,split', ['a,x,train'], 'no column "patient"'],
    ['that names images in two ways', 'image,instance,class,split,patient', ['a,1.2,x,train,p'], 'by one column'],
    ['with a frame of 0', `${HEADER},frame`, ['a,x,train,p,0'], 'line 2'],
  ])('refuses a table %s', (_, header, rows, message) => {
    expect(() => readImageTable(table(rows, header), null)).toThrow(message)
  })
})
