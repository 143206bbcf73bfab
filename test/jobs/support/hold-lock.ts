/** A process that locks the folder of its argument and lives until it is killed. */
import { lockDataFolder } from '../../../src/jobs/lock-data-folder.ts'

await lockDataFolder(process.argv[2] ?? '', { processId: process.pid, host: 'child', since: '' })
process.send?.('locked')
setInterval(() => {}, 1000)
