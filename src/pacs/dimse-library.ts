/** dcmjs-dimse, with its loggers silenced: they would print AE titles and values of attributes. Every import of the package goes through here. */
import { createRequire } from 'node:module'
import dimse from 'dcmjs-dimse'
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from './build-file-meta.ts'

// It requires dcmjs, and so gets the CommonJS build: another copy than the one that an import gets, with loggers of its own.
const requireOfDimse = createRequire(createRequire(import.meta.url).resolve('dcmjs-dimse'))
const { log: dcmjsLog } = requireOfDimse('dcmjs') as typeof import('dcmjs')

dimse.log.setLevel('silent')
dcmjsLog.setLevel('silent')
dcmjsLog.getLogger('validation.dcmjs').setLevel('silent')

/** What is announced to peers as the longest PDU that is read, and never exceeded towards them. */
export const MAX_PDU_BYTES = 131_072

dimse.Implementation.setImplementationClassUid(IMPLEMENTATION_CLASS_UID)
dimse.Implementation.setImplementationVersion(IMPLEMENTATION_VERSION_NAME)
dimse.Implementation.setMaxPduLength(MAX_PDU_BYTES)

export const { Client, Dataset, Scp, association, constants, requests, responses } = dimse

export type DimseDataset = InstanceType<typeof Dataset>
export type Association = InstanceType<typeof association.Association>
export type PresentationContext = InstanceType<typeof association.PresentationContext>
export type CEchoRequest = InstanceType<typeof requests.CEchoRequest>
export type CEchoResponse = InstanceType<typeof responses.CEchoResponse>
export type CStoreRequest = InstanceType<typeof requests.CStoreRequest>
export type CStoreResponse = InstanceType<typeof responses.CStoreResponse>
export type DimseRequest = InstanceType<typeof requests.Request>
export type DimseResponse = InstanceType<typeof responses.Response>
