import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One statement of sql/queries; its header there lists the parameters. */
export interface SqlStatement {
  readonly name: string;
  readonly text: string;
}

export interface SqlFile {
  /** The file's name without `.sql`; of a function the one in the database. */
  readonly name: string;
  readonly text: string;
}

const sqlFolder = new URL('../../sql/', import.meta.url);

/** The path of a file in `sql/`, wherever the server was started from. */
export const sqlPath = (file: string): string => fileURLToPath(new URL(file, sqlFolder));

const read = (path: string): string => readFileSync(sqlPath(path), 'utf8');

const namesIn = (folder: string): string[] =>
  readdirSync(sqlPath(folder))
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Read once: a function that is made later is the one that its name was made of, whatever became of the files. */
const functionTexts = namesIn('functions').map((name) => ({ name, text: read(`functions/${name}.sql`) }));

/**
 * A function has its text's digest in its name, so that servers of two versions call each their own, on one database at the same
 * time. (One name for all lost: the version that started last made the function anew under the other's calls, which then failed
 * after they had booked.)
 */
const functionNames: ReadonlyMap<string, string> = new Map(
  functionTexts.map(({ name, text }) => [name, `${name}_${digestOf(text).slice(0, 8)}`]),
);

/** SQL in which functions are called, or made, by the names of their files, with those that they have in the database. */
export const withFunctionNames = (text: string): string =>
  text.replace(/\b\w+(?=\()/g, (name) => functionNames.get(name) ?? name);

/** Reads `sql/queries/<name>.sql`. Call it once, when a module loads: a missing file stops the start, not a request. */
export const statement = (name: string): SqlStatement => ({
  name,
  text: withFunctionNames(read(`queries/${name}.sql`)),
});

/** All files of a folder of `sql/`, by name. */
export function sqlFiles(folder: 'migrations' | 'functions'): SqlFile[] {
  const files =
    folder === 'functions'
      ? functionTexts
      : namesIn(folder).map((name) => ({ name, text: read(`${folder}/${name}.sql`) }));
  return files.map(({ name, text }) => ({
    name: functionNames.get(name) ?? name,
    text: withFunctionNames(text),
  }));
}
