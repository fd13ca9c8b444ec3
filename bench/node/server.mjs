// node-oidc-provider with its own in-memory store, set up to do the same work as the server it is compared with:
// ID tokens ES256, JWT access tokens through resource indicators, refresh tokens rotated at every use.
// Usage: node server.mjs SETTINGS.json   (issuer, port, clients, resources: see bench/targets.py)
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

async function privateJwk(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig' };
}

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: { keys: [await privateJwk('RS256'), await privateJwk('ES256')] },
  cookies: { keys: ['only-for-the-bench'] },
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, email: `${id}@example.test`, email_verified: true }),
  }),
  interactions: { url: (_ctx, interaction) => `/bench/interaction/${interaction.uid}` },
  scopes: ['openid', 'offline_access', 'read'],
  rotateRefreshToken: true,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'read',
        audience: resource,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: settings.resources[resource] } },
      }),
    },
  },
});

// Stands in for the login and consent pages: signs in whoever `login_hint` names and grants all that is asked.
// The timed requests never come here; they carry the session and find the consent remembered.
async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    return provider.interactionFinished(req, res, { login: { accountId: params.login_hint } });
  }
  const grant = (grantId && (await provider.Grant.find(grantId)))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  if (params.resource) grant.addResourceScope(params.resource, 'read');
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
}

const serve = provider.callback();
createServer((req, res) => {
  if (!req.url.startsWith('/bench/')) return serve(req, res);
  return interact(req, res).catch((error) => {
    res.statusCode = 500;
    res.end(String(error));
  });
}).listen(settings.port, '127.0.0.1');
