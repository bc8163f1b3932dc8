import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../leases/lua/', import.meta.url);
const contentOf = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

export interface Script {
  readonly lua: string;
  /** Its SHA1, by which `EVALSHA` names it. */
  readonly sha: string;
}

let scripts: ReadonlyMap<string, Script> | undefined;

/** The atomic steps, by name: one Lua file each, with the shared prelude before it. Read once. */
export function readScripts(): ReadonlyMap<string, Script> {
  scripts ??= read();
  return scripts;
}

function read(): ReadonlyMap<string, Script> {
  const prelude = contentOf('_prelude.lua');
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua') && !file.startsWith('_'));
  return new Map(
    files.map((file) => [file.slice(0, -'.lua'.length), scriptOf(`${prelude}\n${contentOf(file)}`)]),
  );
}

const scriptOf = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });
