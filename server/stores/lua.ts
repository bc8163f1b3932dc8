import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../leases/lua/', import.meta.url);
const contentOf = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

let scripts: ReadonlyMap<string, string> | undefined;

/** The atomic steps, by name: one Lua file each, behind the prelude that they share. Read once. */
export function readScripts(): ReadonlyMap<string, string> {
  scripts ??= read();
  return scripts;
}

function read(): ReadonlyMap<string, string> {
  const prelude = contentOf('_prelude.lua');
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua') && !file.startsWith('_'));
  return new Map(files.map((file) => [file.slice(0, -'.lua'.length), `${prelude}\n${contentOf(file)}`]));
}
