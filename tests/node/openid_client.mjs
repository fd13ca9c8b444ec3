// openid-client as a relying party. It reads its configuration as the first line of standard input; for each
// {"visit": address} it prints, a person's browser goes there, and the address the browser ends at comes back as the
// next line. The last line it prints is {"done": {...}}, or {"failed": "..."}.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => (await lines.next()).value
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function authentication({ method, secret, jwk }) {
  if (method === 'client_secret_basic') return client.ClientSecretBasic(secret)
  if (method === 'client_secret_post') return client.ClientSecretPost(secret)
  if (method === 'client_secret_jwt') return client.ClientSecretJwt(secret)
  if (method === 'none') return client.None()
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  return client.PrivateKeyJwt({ key, kid: jwk.kid })
}

async function discovered(settings, algorithm) {
  const metadata = { id_token_signed_response_alg: settings.idTokenAlg, ...settings.signed }
  const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks], algorithm }
  const proof = await authentication(settings)
  return client.discovery(new URL(settings.issuer), settings.clientId, metadata, proof, options)
}

async function signOn(config, settings, changes = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: settings.redirectUri,
    scope: 'openid email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...changes,
  })
  tell({ visit: address.href })
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  return client.authorizationCodeGrant(config, new URL(await next()), checks)
}

async function refusal(work) {
  try {
    await work()
  } catch (error) {
    return error.error
  }
  return null
}

async function main() {
  const settings = JSON.parse(await next())
  const config = await discovered(settings, 'oidc')
  const oauth = await discovered(settings, 'oauth2')

  const denied = await refusal(() => signOn(config, settings, { prompt: 'none' }))
  const tokens = await signOn(config, settings)
  const claims = tokens.claims()
  const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  const confidential = settings.method !== 'none'
  const before = confidential ? await client.tokenIntrospection(config, renewed.access_token) : null
  await client.tokenRevocation(config, renewed.refresh_token)
  const after = confidential ? await client.tokenIntrospection(config, renewed.access_token) : null
  const spent = await refusal(() => client.refreshTokenGrant(config, renewed.refresh_token))
  const service = confidential ? await client.clientCredentialsGrant(oauth) : null
  const leave = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: settings.postLogoutRedirectUri,
    state: 'bye',
  })
  tell({ visit: leave.href })
  const left = await next()
  tell({
    done: {
      sameMetadata: JSON.stringify(config.serverMetadata()) === JSON.stringify(oauth.serverMetadata()),
      denied,
      claims,
      person,
      rotated: renewed.refresh_token !== tokens.refresh_token,
      active: [before?.active, after?.active],
      spent,
      service: service?.token_type,
      left,
    },
  })
}

main().then(
  () => process.exit(0),
  (error) => {
    tell({ failed: `${error.code ?? error.name}: ${error.message} ${JSON.stringify(error.cause ?? null)}` })
    process.exit(1)
  },
)
