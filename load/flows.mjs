// Artillery's own bundler makes CommonJS of a TypeScript processor, which this project cannot load: tsx runs it as it is.
import { tsImport } from 'tsx/esm/api';

export default { ...(await tsImport('./flows.ts', import.meta.url)) };
