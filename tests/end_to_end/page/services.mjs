// Starts the programs that a browser test needs, on ports that the system chooses, with a folder that goes with them.

import {spawn} from 'node:child_process';
import {accessSync, constants, mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';

/** The exit code by which ctest knows that a test was skipped. */
export const skipped = 77;

/** --name value pairs of the command line. */
export function readArguments() {
  const given = process.argv.slice(2);
  const read = {};
  for (let i = 0; i + 1 < given.length; i += 2) read[given[i].replace(/^--/, '')] = given[i + 1];
  return read;
}

function skip(reason) {
  console.log(`skipped: ${reason}; scripts/install-dependencies --browser installs it`);
  process.exit(skipped);
}

/** A headless Chromium, or the end of the test when there is none. `playwright` is the folder with node_modules. */
export async function startBrowser(playwright) {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!executablePath) skip('there is no Chromium');
  let chromium;
  try {
    ({chromium} = createRequire(path.resolve(playwright, 'package.json'))('playwright-core'));
  } catch {
    skip(`playwright-core is not in ${playwright}`);
  }
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({executablePath, args});
}

/** Starts a program and waits for the line in which it says its URL. */
function startService(program, args) {
  const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe']});
  let said = '';
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const url = new Promise((resolve, reject) => {
    const listen = (chunk) => {
      said += chunk;
      const found = /http:\/\/[\w.]+:\d+/.exec(said);
      if (found) resolve(found[0]);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('error', reject);
    ended.then((code) => reject(new Error(`${program} ended with ${code} before it said its URL:\n${said}`)));
  });
  return {
    url,
    output: () => said,
    /** Asks it to end, and gives its exit code; kills it if it has not ended within ten seconds. */
    stop: async () => {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10000);
      const code = await ended;
      clearTimeout(late);
      return code;
    },
  };
}

/** A gallery with its moderator and a fresh folder. */
export async function startGallery({gallery, moderator}, ...more) {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-page-'));
  const services = [];
  const stop = async () => {
    const codes = [];
    for (const service of services.splice(0).reverse()) codes.push(await service.stop());
    rmSync(folder, {recursive: true, force: true});
    return codes;
  };
  try {
    services.push(startService(moderator, ['--port', '0', '--delay-ms', '100']));
    const moderatorUrl = await services[0].url;
    services.push(startService(gallery,
      ['--port', '0', '--data', path.join(folder, 'data'), '--moderator', moderatorUrl, ...more]));
    return {url: await services[1].url, stop};
  } catch (problem) {
    await stop();
    throw problem;
  }
}
