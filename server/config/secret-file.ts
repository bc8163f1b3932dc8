import { readFileSync } from 'node:fs';
import type { Parsed } from './parsers.ts';

/**
 * A secret from the environment, or from the file that `<name>_FILE` names: engines and clusters mount secrets as files, where
 * no list of processes or containers shows them. A problem quotes neither, for the path may be the secret by mistake.
 */
export function readSecret(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): Parsed<string | undefined> {
  const path = env[`${name}_FILE`]?.trim();
  if (!path) return { ok: true, value: env[name] };
  if (env[name]?.trim()) return { ok: false, problem: `and ${name}_FILE exclude each other` };
  try {
    const value = readFileSync(path, 'utf8');
    // As good as unset it would open the server to everybody.
    return value.trim() === '' ? { ok: false, problem: `is empty in ${name}_FILE` } : { ok: true, value };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return { ok: false, problem: `cannot be read from ${name}_FILE: ${code}` };
  }
}
