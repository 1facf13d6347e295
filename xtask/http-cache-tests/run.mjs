// Runs the HTTP cache tests against a proxy, whose URL is the first argument, and prints one line of JSON for each.
// With a second argument, only tests whose id begins with it.

const folder = `${process.cwd()}/node_modules/http-cache-tests`
const { runTests, getResults } = await import(`${folder}/client/runner.mjs`)
const { default: fetch } = await import(`${process.cwd()}/node_modules/node-fetch/lib/index.mjs`)
const { default: suites } = await import(`${folder}/tests/index.mjs`)
const { default: surrogate } = await import(`${folder}/tests/surrogate-control.mjs`)

const [base, only = ''] = process.argv.slice(2)
const all = [...suites, surrogate]
const wanted = all
  .map(suite => ({ ...suite, tests: suite.tests.filter(test => test.id.startsWith(only)) }))
  .filter(suite => suite.tests.length > 0)
await runTests(wanted, fetch, false, base)
const results = getResults()

for (const suite of wanted) {
  for (const test of suite.tests) {
    if (test.browser_only) continue
    const result = results[test.id]
    console.log(JSON.stringify({
      suite: suite.id,
      id: test.id,
      kind: test.kind || 'required',
      passed: result === true,
      depends_on: test.depends_on || [],
      why: Array.isArray(result) ? result.join(': ') : result === undefined ? 'it did not run' : ''
    }))
  }
}
