// Loaded by tsx, because Artillery would bundle a TypeScript processor as CommonJS, and this project's modules cannot be loaded so.
import { tsImport } from 'tsx/esm/api';

export default { ...(await tsImport('./flows.ts', import.meta.url)) };
