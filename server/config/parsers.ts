/** How the text of a variable is read: its value, or what is wrong with it as the end of a sentence. */
import { readPostgresUrl } from '../stores/postgres-url.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from '../stores/redis-url.ts';

export type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };
export type Parser<T> = (text: string) => Parsed<T>;

export function integer(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    const ok = value >= min && value <= max;
    return ok ? { ok, value } : { ok, problem: `must be a whole number from ${min} to ${max}` };
  };
}

export function text(form: RegExp, what: string): Parser<string> {
  return (value) => (form.test(value) ? { ok: true, value } : { ok: false, problem: `must be ${what}` });
}

export function databaseUrl(text: string): Parsed<string> {
  const read = readPostgresUrl(text);
  return read.ok ? { ok: true, value: text } : read;
}

export function redisUrl(text: string): Parsed<string> {
  return parseRedisUrl(text) === undefined
    ? { ok: false, problem: `must be a URL such as ${REDIS_URL_FORMS}` }
    : { ok: true, value: text };
}

export function origins(text: string): Parsed<string[]> {
  const value = text.split(',').map((origin) => origin.trim().replace(/\/$/, ''));
  const ok = value.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin);
  return ok
    ? { ok, value }
    : { ok, problem: 'must be origins such as https://shop.example, separated by commas' };
}

export function flag(text: string): Parsed<boolean> {
  if (/^(1|true|yes|on)$/i.test(text)) return { ok: true, value: true };
  if (/^(0|false|no|off)$/i.test(text)) return { ok: true, value: false };
  return { ok: false, problem: 'must be true or false' };
}

export function choice<const T extends string>(choices: readonly T[]): Parser<T> {
  return (text) => {
    const value = choices.find((candidate) => candidate === text);
    return value ? { ok: true, value } : { ok: false, problem: `must be one of ${choices.join(', ')}` };
  };
}
