// A stock OAuth client against a gateway's token service: ISSUER, CLIENT_ID, CLIENT_SECRET, SUBJECT_TOKEN and RESOURCE come in the environment.
// Prints one JSON object of what it met.
import * as oauth from 'openid-client';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SUBJECT_TOKEN, RESOURCE } = process.env;
const insecure = { execute: [oauth.allowInsecureRequests], algorithm: 'oauth2' };
const urn = 'urn:ietf:params:oauth';
const told = {};

for (const [name, authentication] of [['basic', oauth.ClientSecretBasic], ['post', oauth.ClientSecretPost]]) {
  const client = await oauth.discovery(new URL(ISSUER), CLIENT_ID, undefined, authentication(CLIENT_SECRET), insecure);
  const session = await oauth.clientCredentialsGrant(client, {});
  const used = await oauth.fetchProtectedResource(client, session.access_token, new URL(RESOURCE), 'GET');
  const meant = await oauth.tokenIntrospection(client, session.access_token);
  await oauth.tokenRevocation(client, session.access_token);
  const after = await oauth.fetchProtectedResource(client, session.access_token, new URL(RESOURCE), 'GET')
    .catch((error) => error.response ?? error);
  told[name] = { type: session.token_type, used: used.status, active: meant.active, sub: meant.sub, after: after.status };
}

const client = await oauth.discovery(new URL(ISSUER), 'anybody', undefined, oauth.None(), insecure);
const handle = oauth.getDPoPHandle(client, await oauth.randomDPoPKeyPair('ES256'));
const grant = { subject_token: SUBJECT_TOKEN, subject_token_type: `${urn}:token-type:jwt`, roles: 'reader', expires_in: '60' };
const session = await oauth.genericGrantRequest(client, `${urn}:grant-type:token-exchange`, grant, { DPoP: handle });
const used = await oauth.fetchProtectedResource(client, session.access_token, new URL(RESOURCE), 'GET', null, undefined, { DPoP: handle });
const bare = await fetch(RESOURCE, { headers: { authorization: `Bearer ${session.access_token}` } });
told.exchange = { type: session.token_type, used: used.status, expires_in: session.expires_in, bare: bare.status };

const refused = await oauth.genericGrantRequest(client, `${urn}:grant-type:token-exchange`, { ...grant, roles: 'admin' })
  .catch((error) => error);
told.refused = { error: refused.error, status: refused.status };

console.log(JSON.stringify(told));
