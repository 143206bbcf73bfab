/** The pages for people: what this server is, and what each problem means. Plain HTML, one style sheet, no script. */
import { NOTICE } from '../domain/prediction.ts'
import type { ProblemCode } from '../domain/problem.ts'
import type { PublishedModel } from '../domain/published-model.ts'
import { type Actor, PROBLEM_TABLE, PUBLIC_CODES } from './problem-table.ts'

const WHO_ACTS: Readonly<Record<Actor, string>> = {
  caller: 'The one who sent the request.',
  'caller-later': 'The one who sent the request, by trying again later.',
  operator: 'The operator of the server.',
  us: 'The makers of the server.',
}

/** What this server is, and which models it has. */
export function landingPage(models: readonly PublishedModel[]): string {
  const first = models[0]?.manifest.id ?? 'MODEL'
  return page(
    'attending',
    `<h1>attending</h1>
<p class="lead">A medical imaging inference server that shows its attention. It takes a DICOM instance, a PNG or a JPEG, and answers with class probabilities and with maps of the communities that a transformer found in the image.</p>
<p class="notice">${escapeHtml(NOTICE)}</p>
<h2>Models</h2>
<ul class="models">${models.map(modelItem).join('')}</ul>
<h2>Ask it</h2>
<pre>curl --data-binary @chest.dcm -H 'Content-Type: application/dicom' \\
  http://HOST/v1/models/${escapeHtml(first)}/predictions</pre>
<p>The answer lists its maps with their addresses; a map opens in a browser.</p>
<p><a href="/docs/">Browse and try the interface</a> · <a href="/openapi.yaml">openapi.yaml</a> · <a href="/readyz">readiness</a> · <a href="/metrics">metrics</a></p>`,
  )
}

function modelItem({ manifest, card }: PublishedModel): string {
  const path = `/v1/models/${encodeURIComponent(manifest.id)}`
  const cardLink = card === null ? '' : ` · <a href="${path}/card">card</a>`
  return `<li><strong>${escapeHtml(manifest.title)}</strong><br><a href="${path}"><code>${escapeHtml(manifest.id)}</code></a>${cardLink}<br>${escapeHtml(manifest.intendedUse)}</li>`
}

/** What a problem means, who can act, and what they can do. */
export function problemPage(code: ProblemCode): string {
  const { title, status, actor, remedy } = PROBLEM_TABLE[code]
  return page(
    `${title} - attending`,
    `<p><a href="/">attending</a> / problems</p>
<h1>${escapeHtml(title)}</h1>
<dl><dt>Code</dt><dd><code>${code}</code></dd><dt>Status</dt><dd>${status}</dd><dt>Who can act</dt><dd>${WHO_ACTS[actor]}</dd><dt>What to do</dt><dd>${escapeHtml(remedy)}</dd></dl>
<h2>All problems</h2>
<p class="codes">${PUBLIC_CODES.map((each) => `<a href="/problems/${each}">${each}</a>`).join(' ')}</p>`,
  )
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`
}

/** Text as it may stand in HTML, inside quoted attributes too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

export const STYLE_SHEET = `:root { color-scheme: light dark; --ink: #1b2530; --paper: #fbfbf9; --quiet: #5b6b7a; --line: #d9dee3; --accent: #0b6e8f; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --paper: #12181e; --quiet: #98a7b5; --line: #2c3843; --accent: #6cc4e0; --warn: #3a2f12; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; }
h1 { font-size: 2.2rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
.lead { font-size: 1.15rem; }
.notice { background: var(--warn); border-radius: .4rem; padding: .6rem .9rem; font-weight: 600; }
a { color: var(--accent); }
pre { border: 1px solid var(--line); border-radius: .4rem; padding: .9rem; overflow-x: auto; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
.models { list-style: none; padding: 0; }
.models li { border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; margin: .6rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.5rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
.codes a { display: inline-block; margin: 0 .6rem .2rem 0; font-size: .9rem; }
`

/** A patch grid whose communities have colors. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">${iconPatches()}</svg>`

function iconPatches(): string {
  const colors = { b: '#0072b2', o: '#e69f00', g: '#009e73', s: '#cfd6dc' } as const
  const rows = ['ssbb', 'sobb', 'ooog', 'sogg'] as const
  const patch = (letter: string, row: number, column: number): string =>
    `<rect x="${column * 2 + 0.1}" y="${row * 2 + 0.1}" width="1.8" height="1.8" rx=".4" fill="${colors[letter as keyof typeof colors]}"/>`
  return rows.map((letters, row) => [...letters].map((letter, column) => patch(letter, row, column)).join('')).join('')
}
