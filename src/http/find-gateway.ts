/** The gateway of this server, for the routes that need one. */
import type { GatewayDoor } from '../domain/gateway.ts'
import { Problem } from '../domain/problem.ts'
import type { HttpContext } from './http-context.ts'

/** Throws: "gateway-closed" where the server was started without one. */
export function findGateway({ gateway }: HttpContext): GatewayDoor {
  if (gateway === null) throw new Problem('gateway-closed', 'this server was started without a gateway: it keeps no jobs and receives nothing', {})
  return gateway
}
