import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pageOf, type Report } from './page.ts';

/** `report.json` with everything, `report.html` for people. */
export async function writeReport(dir: string, report: Report): Promise<void> {
  await writeFile(join(dir, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(dir, 'report.html'), pageOf(report));
}
