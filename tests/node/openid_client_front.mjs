// openid-client where the answer is more than a code in a query. It reads its settings as the first line of standard
// input; {"visit": address} asks for a person's browser, and the next line says where the browser ended:
// {"url": ...}, or {"url": ..., "form": {...}} for a posted form. The last line is {"done": {...}} or {"failed": "..."}.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => JSON.parse((await lines.next()).value)
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function configured(settings, ...more) {
  const metadata = {
    id_token_signed_response_alg: settings.idTokenAlg,
    authorization_signed_response_alg: settings.answerAlg,
  }
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...more]
  const proof = client.ClientSecretBasic(settings.secret)
  return client.discovery(new URL(settings.issuer), settings.clientId, metadata, proof, { execute })
}

async function visited(config, parameters) {
  tell({ visit: client.buildAuthorizationUrl(config, parameters).href })
  const { url, form } = await next()
  if (!form) return new URL(url)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return new Request(url, { method: 'POST', headers, body: new URLSearchParams(form) })
}

async function codeFlow(config, settings, changes = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const back = await visited(config, {
    redirect_uri: settings.redirectUri,
    scope: 'openid email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...changes,
  })
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  const tokens = await client.authorizationCodeGrant(config, back, checks)
  return tokens.claims().sub
}

async function implicit(config, settings, changes = {}) {
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const parameters = { redirect_uri: settings.redirectUri, scope: 'openid email', state, nonce, ...changes }
  const back = await visited(config, parameters)
  const claims = await client.implicitAuthentication(config, back, nonce, { expectedState: state })
  return [claims.sub, claims.email]
}

async function refusal(work) {
  try {
    await work()
  } catch (error) {
    return error.error ?? error.cause?.error ?? `${error.code}: ${error.message}`
  }
  return null
}

async function main() {
  const settings = await next()
  const plain = await configured(settings)
  const hybrid = await configured(settings, client.useCodeIdTokenResponseType)
  const idToken = await configured(settings, client.useIdTokenResponseType)
  const signed = await configured(settings, client.useJwtResponseMode)
  const byForm = { response_mode: 'form_post' }
  tell({
    done: {
      formPost: await codeFlow(plain, settings, byForm),
      hybrid: await codeFlow(hybrid, settings),
      hybridByForm: await codeFlow(hybrid, settings, byForm),
      implicit: await implicit(idToken, settings),
      implicitByForm: await implicit(idToken, settings, byForm),
      signed: await codeFlow(signed, settings),
      signedError: await refusal(() => codeFlow(signed, settings, { prompt: 'none', max_age: '0' })),
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
