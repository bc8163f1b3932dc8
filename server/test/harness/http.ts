import { ADMIN_TOKEN } from './app-kit.ts';
import { expectDocumented, refusalsOfCall } from './documented.ts';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** One HTTP call to a server under test, as its admin; a body is sent with POST. */
export function call(
  url: string,
  path: string,
  body?: object,
  method = body === undefined ? 'GET' : 'POST',
): Promise<Answered> {
  return ask(url, path, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body });
}

/** A POST of nobody in particular; a string is sent as it is. */
export function post(
  url: string,
  path: string,
  body: object | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return ask(url, path, { method: 'POST', headers, body });
}

interface Asked {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object | string | undefined;
}

async function ask(url: string, path: string, { method, headers, body }: Asked): Promise<Answered> {
  const response = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = {
    status: response.status,
    headers: response.headers,
    // Tests compare it with what they expect: that is its check.
    body: (await response.json()) as Record<string, unknown>,
  };
  expectDocumented(`${method} ${path}`, refusalsOfCall(method, path), answer.body);
  return answer;
}
