/** A file's checksums in, what is known of it out: published files by the MD5 that their authors state, files made for this project by their SHA-256. */
import type { DataSetFacts } from './data-set.ts'

const MEDMNIST_CITATION = 'Yang et al., MedMNIST v2, Scientific Data 10:41 (2023), doi 10.1038/s41597-022-01721-8; CC BY 4.0'
const BUSI_CITATION = 'Al-Dhabyani, Gomaa, Khaled, Fahmy, Dataset of breast ultrasound images, Data in Brief 28:104863 (2020)'

const pneumonia: DataSetFacts = {
  id: 'pneumoniamnist',
  title: 'PneumoniaMNIST',
  classes: ['normal', 'pneumonia'],
  modalities: ['CR', 'DX'],
  licence: 'CC BY 4.0',
  attributions: [MEDMNIST_CITATION, 'Kermany et al., Cell 172:1122 (2018), pediatric chest X-rays'],
  caveats: ["Pediatric chest X-rays of one center; the test split is the source's own and differs from training: validation accuracy lies far above test accuracy."],
}

const breast: DataSetFacts = {
  id: 'breastmnist',
  title: 'BreastMNIST',
  classes: ['malignant', 'normal or benign'],
  modalities: ['US'],
  licence: 'CC BY 4.0',
  attributions: [MEDMNIST_CITATION, BUSI_CITATION],
  caveats: ['The positive index 1 is the harmless class.', 'The test split has 156 images: one image is 0.64 points of accuracy.', 'Near duplicates cross the official split.'],
}

const retina: DataSetFacts = {
  id: 'retinamnist',
  title: 'RetinaMNIST',
  classes: ['grade 0', 'grade 1', 'grade 2', 'grade 3', 'grade 4'],
  modalities: ['OP'],
  licence: 'CC BY 4.0',
  attributions: [MEDMNIST_CITATION, 'DeepDRiD, diabetic retinopathy grades'],
  caveats: ['At 28 pixels the set carries little signal: a linear model beats a published ResNet-18.', 'The grades are ordinal; they are treated as plain classes.'],
}

const busi128: DataSetFacts = {
  ...breast,
  id: 'busi128',
  title: 'BUSI breast ultrasound at 128 pixels, on the BreastMNIST split',
  caveats: [...breast.caveats, 'Not byte-equal to the official BreastMNIST at 128 pixels, whose filter is not known.'],
}

const brain: DataSetFacts = {
  id: 'braintumor128',
  title: 'Brain tumor T1-CE MRI (Cheng) at 128 pixels',
  classes: ['meningioma', 'glioma', 'pituitary tumor'],
  modalities: ['MR'],
  licence: 'CC BY 4.0',
  attributions: ['Cheng et al., PLoS ONE 10(10):e0140381 (2015); Cheng, figshare doi 10.6084/m9.figshare.1512427.v5; CC BY 4.0'],
  caveats: ['The split is made here from blocks of slices, close to patient-disjoint but not proven so.', 'Every image shows a tumor: not a screening task.'],
}

const nih: DataSetFacts = {
  id: 'nih1000-64',
  title: '1000 chest X-rays of NIH ChestX-ray14 at 64 pixels',
  classes: ['no finding', 'abnormal'],
  modalities: ['CR', 'DX'],
  licence: 'NIH: unrestricted use with credit',
  attributions: ['Wang et al., ChestX-ray8, CVPR 2017, pp. 3462-3471; NIH Clinical Center'],
  caveats: ['The split is made here by patient.', 'Labels were mined from reports and are noisy.'],
}

/** Source: MedMNIST/MedMNIST medmnist/info.py at 805b742 (28 pixels, and the larger sizes where it lists them). */
const BY_MD5: Readonly<Record<string, DataSetFacts>> = {
  '28209eda62fecd6e6a2d98b1501bb15f': pneumonia,
  '8f4eceb4ccffa70c672198ea285246c6': { ...pneumonia, id: 'pneumoniamnist-64' },
  '05b46931834c231683c68f40c47b2971': { ...pneumonia, id: 'pneumoniamnist-128' },
  d6a3c71de1b945ea11211b03746c1fe1: { ...pneumonia, id: 'pneumoniamnist-224' },
  '750601b1f35ba3300ea97c75c52ff8f6': breast,
  '742edef2a1fd1524b2efff4bd7ba9364': { ...breast, id: 'breastmnist-64' },
  '363e4b3f8d712e9b5de15470a2aaadf1': { ...breast, id: 'breastmnist-128' },
  b56378a6eefa9fed602bb16d192d4c8b: { ...breast, id: 'breastmnist-224' },
  bd4c0672f1bba3e3a89f0e4e876791e4: retina,
}

const BY_SHA256: Readonly<Record<string, DataSetFacts>> = {
  '929702c28cca6700145f1c06baa54e2d1d25fab0774a24ada4d301d49634bf09': busi128,
  '27c7b954500c6d18d6f4857296d8a2c0acbf87bafcbec6b241cadf3b114756ac': brain,
  '09220e7f3c7a2dd11fca8b79ecb18e0f394075acbef44486f482b692b71ab986': nih,
}

/** What is known of the file, or null. */
export function knownDataSet(md5: string, sha256: string): DataSetFacts | null {
  return BY_MD5[md5] ?? BY_SHA256[sha256] ?? null
}
