// openid-client that nobody registered: it registers itself, signs a person in, and calls UserInfo. The first line of
// standard input configures it; for each {"visit": address} it prints, the address a person's browser ends at comes back
// as the next line. The last line it prints is {"done": {...}}, or {"failed": "..."}.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => (await lines.next()).value
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function main() {
  const settings = JSON.parse(await next())
  const options = {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
    algorithm: settings.algorithm,
    initialAccessToken: settings.initialAccessToken,
  }
  const proof = settings.metadata.token_endpoint_auth_method === 'none' ? client.None() : undefined
  const config = await client.dynamicClientRegistration(new URL(settings.issuer), settings.metadata, proof, options)
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: settings.metadata.redirect_uris[0],
    scope: 'openid email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  })
  tell({ visit: address.href })
  const checks = { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true }
  const tokens = await client.authorizationCodeGrant(config, new URL(await next()), checks)
  const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  tell({ done: { registered: config.clientMetadata(), person, rotated: renewed.refresh_token !== tokens.refresh_token } })
}

main().then(
  () => process.exit(0),
  (error) => {
    tell({ failed: `${error.code ?? error.name}: ${error.message} ${JSON.stringify(error.cause ?? null)}` })
    process.exit(1)
  },
)
