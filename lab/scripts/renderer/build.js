// Bundles the renderer of large maps with what it needs, and the licenses of all of it: npm install && npm run build.

import { build } from 'esbuild';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const OUT = '../../dashboard/components/regl-scatterplot';
const { dependencies } = JSON.parse(readFileSync('package.json'));

/** Name, version and license of each package that is bundled, and the text of that license. Two of them, kdbush and
 * simplify-js, are in regl-scatterplot as copies. */
const packages = Object.keys(dependencies).map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  return { title: `${name} ${version} (${license})`, text: readFileSync(`${folder}/${file}`, 'utf8').trim() };
});

const { metafile } = await build({
  stdin: {
    contents: "export { default, checkSupport, createRenderer, createSpatialIndex } from 'regl-scatterplot';",
    resolveDir: '.',
  },
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  metafile: true,
  banner: { js: `/*! ${packages.map(({ title }) => title).join(', ')}: see regl-scatterplot.LICENSE.txt */` },
  outfile: `${OUT}.min.js`,
});

const bundled = Object.keys(metafile.inputs).flatMap((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []);
for (const name of bundled) {
  if (!(name in dependencies)) throw new Error(`${name} is bundled, and package.json does not name its version`);
}
writeFileSync(`${OUT}.LICENSE.txt`, packages.map(({ title, text }) => `${title}\n\n${text}\n`).join(`\n${'-'.repeat(80)}\n\n`));
