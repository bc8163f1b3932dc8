import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One statement of sql/queries; its header there lists the parameters. */
export interface SqlStatement {
  readonly name: string;
  readonly text: string;
}

export interface SqlFile {
  /** The file's name without `.sql`. */
  readonly name: string;
  readonly text: string;
}

const sqlFolder = new URL('../../sql/', import.meta.url);

/** The path of a file in `sql/`, wherever the server was started from. */
export const sqlPath = (file: string): string => fileURLToPath(new URL(file, sqlFolder));

const read = (path: string): string => readFileSync(sqlPath(path), 'utf8');

/** Reads `sql/queries/<name>.sql`. Call it once, when a module loads: a missing file stops the start, not a request. */
export const statement = (name: string): SqlStatement => ({ name, text: read(`queries/${name}.sql`) });

/** All files of a folder of `sql/`, by name. */
export function sqlFiles(folder: 'migrations' | 'functions'): SqlFile[] {
  const names = readdirSync(sqlPath(folder)).filter((name) => name.endsWith('.sql'));
  return names
    .sort()
    .map((name) => ({ name: name.slice(0, -'.sql'.length), text: read(`${folder}/${name}`) }));
}
