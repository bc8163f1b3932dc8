import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../leases/lua/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

/** The atomic steps, by name: one Lua file each, behind the prelude that they share. */
export function readScripts(): ReadonlyMap<string, string> {
  const prelude = read('_prelude.lua');
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua') && !file.startsWith('_'));
  return new Map(files.map((file) => [file.slice(0, -'.lua'.length), `${prelude}\n${read(file)}`]));
}
