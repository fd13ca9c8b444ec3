// openid-client pushing and signing its requests. Lines in and out are those of openid_client.mjs.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => (await lines.next()).value
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const imported = (jwk) => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  return crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
}

async function main() {
  const settings = JSON.parse(await next())
  const signing = { key: await imported(settings.jwk), kid: settings.jwk.kid }
  const proof =
    settings.method === 'none'
      ? client.None()
      : settings.method === 'private_key_jwt'
        ? client.PrivateKeyJwt(signing)
        : client.ClientSecretBasic(settings.secret)
  const options = { execute: [client.allowInsecureRequests] }
  const config = await client.discovery(new URL(settings.issuer), settings.clientId, {}, proof, options)

  const ways = {
    pushed: (parameters) => client.buildAuthorizationUrlWithPAR(config, parameters),
    signed: (parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, signing),
    both: async (parameters) => {
      const { searchParams } = await client.buildAuthorizationUrlWithJAR(config, parameters, signing)
      return client.buildAuthorizationUrlWithPAR(config, searchParams)
    },
  }
  const done = {}
  for (const way of settings.ways) {
    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const nonce = client.randomNonce()
    const address = await ways[way]({
      redirect_uri: settings.redirectUri,
      scope: 'openid email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    tell({ visit: address.href })
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
    const tokens = await client.authorizationCodeGrant(config, new URL(await next()), checks)
    done[way] = { sub: tokens.claims().sub, parameters: [...address.searchParams.keys()].sort() }
  }
  tell({ done })
}

main().then(
  () => process.exit(0),
  (error) => {
    tell({ failed: `${error.code ?? error.name}: ${error.message} ${JSON.stringify(error.cause ?? null)}` })
    process.exit(1)
  },
)
