// openid-client as a device (RFC 8628). It reads its settings as the first line of standard input and prints what the
// device shows; it polls until its person has answered, and prints {"done": {...}}, or {"failed": "..."}.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function main() {
  const settings = JSON.parse((await lines.next()).value)
  const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] }
  const config = await client.discovery(new URL(settings.issuer), settings.clientId, {}, client.None(), options)
  const told = await client.initiateDeviceAuthorization(config, { scope: 'openid email offline_access' })
  tell({ told })
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...told, interval: 1 })
  const claims = tokens.claims()
  const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  tell({ done: { claims, person, renewed: renewed.refresh_token !== tokens.refresh_token } })
}

main().then(
  () => process.exit(0),
  (error) => {
    tell({ failed: `${error.code ?? error.name}: ${error.message} ${JSON.stringify(error.cause ?? null)}` })
    process.exit(1)
  },
)
