// Unpacks Chromium below TMPDIR and prints where it is, as JSON.

import chromium from "@sparticuz/chromium";

const path = await chromium.executablePath();
process.stdout.write(JSON.stringify({ path }));
