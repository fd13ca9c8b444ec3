// openid-client with DPoP (RFC 9449): a code bound to the key, tokens, UserInfo, refresh, a call to an API. It speaks
// with the test as openid_client.mjs does.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => (await lines.next()).value
const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function refusal(work) {
  try {
    await work()
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? error.code
  }
  return null
}

async function main() {
  const settings = JSON.parse(await next())
  const proof = settings.secret ? client.ClientSecretBasic(settings.secret) : client.None()
  const config = await client.discovery(new URL(settings.issuer), settings.clientId, {}, proof, {
    execute: [client.allowInsecureRequests],
  })
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(settings.alg))
  const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair(settings.alg))
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: settings.redirectUri,
    scope: 'openid email offline_access',
    prompt: 'consent',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    dpop_jkt: await DPoP.calculateThumbprint(),
    state,
  })
  tell({ visit: address.href })
  const back = new URL(await next())
  const checks = { pkceCodeVerifier: verifier, expectedState: state }
  const stolen = await refusal(() => client.authorizationCodeGrant(config, back, checks, {}, { DPoP: stranger }))
  const tokens = await client.authorizationCodeGrant(config, back, checks, {}, { DPoP })
  const sub = tokens.claims().sub
  const person = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })
  const asBearer = await refusal(() => client.fetchUserInfo(config, tokens.access_token, sub))
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP })
  const stolenRefresh = await refusal(() => client.refreshTokenGrant(config, renewed.refresh_token, {}, { DPoP: stranger }))
  const api = new URL(`${settings.issuer}/hello`)
  const call = (handle) =>
    client.fetchProtectedResource(config, renewed.access_token, api, 'GET', undefined, undefined, { DPoP: handle })
  const answer = await call(DPoP)
  tell({
    done: {
      types: [tokens.token_type, renewed.token_type],
      person,
      stolen,
      stolenRefresh,
      asBearer,
      greeting: await answer.json(),
      foreign: await refusal(() => call(stranger)),
      jkt: await DPoP.calculateThumbprint(),
      token: renewed.access_token,
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
