import { ADMIN_TOKEN } from './app-kit.ts';
import { expectDocumented, refusalsOfCall } from './documented.ts';

export interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One HTTP call to a server under test, as its admin; a body is sent with POST. */
export async function call(url: string, path: string, body?: object, method?: string): Promise<Answered> {
  const verb = method ?? (body === undefined ? 'GET' : 'POST');
  const response = await fetch(url + path, {
    method: verb,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // Tests compare it with what they expect: that is its check.
  const answered = { status: response.status, body: (await response.json()) as Record<string, unknown> };
  expectDocumented(`${verb} ${path}`, refusalsOfCall(verb, path), answered.body);
  return answered;
}
