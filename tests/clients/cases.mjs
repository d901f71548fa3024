// Cases, one after the other, each told as one line of JSON: {case, ok, detail}.
const PATIENCE_MS = 10_000;
const cases = [];

export const test = (name, body) => cases.push({ name, body });

export async function run() {
  for (const { name, body } of cases) {
    const told = await within(body).then(
      (detail) => ({ ok: true, detail: detail ?? '' }),
      (error) => ({ ok: false, detail: reason(error) }),
    );
    console.log(JSON.stringify({ case: name, ...told }));
  }
}

function within(body) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing in 10 s')), PATIENCE_MS);
  });
  return Promise.race([Promise.resolve().then(body), late]).finally(() => clearTimeout(timer));
}

// The errno at the bottom, where there is one: addresses and ports differ from run to run.
function reason(error) {
  const innermost = error?.cause ?? error?.errors?.[0] ?? error;
  return String(innermost?.code ?? error?.code ?? innermost?.message ?? error);
}

export function equal(found, wanted, what = 'value') {
  if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
}
