// panva's jose as a resource server uses it: createRemoteJWKSet with its usual 600 s cache and 30 s cool-down, unless
// other seconds are given.
//
// Reads one JSON object a line, answers one a line: {"results": [null or a sentence, ...], "fetches": n}.
//   node jose_verifier.mjs                             {"now", "instance", "tokens", "jwks"?}: time and JWKS as told
//   node jose_verifier.mjs JWKS-URL [CACHE [COOL-DOWN]]    {"instance"?, "tokens"}: real time, real fetches
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'

const [address, cache = '600', coolDown = '30'] = process.argv.slice(2)
let now = 0
let document = '{"keys":[]}'
let fetches = 0

const options = { cacheMaxAge: Number(cache) * 1000, cooldownDuration: Number(coolDown) * 1000 }
if (address === undefined) {
  Date.now = () => now * 1000
  options[customFetch] = async () => {
    fetches += 1
    return new Response(document, { headers: { 'content-type': 'application/jwk-set+json' } })
  }
} else {
  options[customFetch] = async (url, init) => {
    fetches += 1
    return fetch(url, init)
  }
}

const sets = new Map()
function keySet(instance) {
  if (!sets.has(instance)) {
    sets.set(instance, createRemoteJWKSet(new URL(address ?? 'http://issuer.invalid/jwks.json'), options))
  }
  return sets.get(instance)
}

async function verify(token, keys) {
  try {
    await jwtVerify(token, keys, {
      algorithms: ['RS256', 'ES256'],
      currentDate: address === undefined ? new Date(now * 1000) : new Date(),
    })
    return null
  } catch (error) {
    return `${error.code}: ${error.message}`
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  now = message.now ?? now
  if (message.jwks !== undefined) document = message.jwks
  const keys = keySet(message.instance ?? 'only')
  const results = []
  for (const token of message.tokens) results.push(await verify(token, keys))
  process.stdout.write(JSON.stringify({ results, fetches }) + '\n')
}
