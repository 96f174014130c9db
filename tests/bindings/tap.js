// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs cases one after the other, and says how they went in the Test Anything Protocol. A case may be asynchronous.

const {GLib} = imports.gi;
const System = imports.system;

const tests = [];

function test(name, func) {
    tests.push([name, func]);
}

function assertEqual(actual, expected) {
    const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];

    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

async function rejection(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error('Nothing was thrown');
}

function caught(func) {
    return rejection((async () => func())());
}

// Lets the loop run once more.
function turn() {
    return new Promise(resolve => GLib.idle_add(GLib.PRIORITY_LOW, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
}

// Waits for what must come; the timeout of the test ends what does not.
async function until(condition) {
    while (!condition())
        await turn();
}

async function runAll(prefix, runCase) {
    let nFailed = 0;

    print(`1..${tests.length}`);
    for (const [i, [name, func]] of tests.entries()) {
        try {
            await runCase(func);
            print(`ok ${i + 1} ${prefix}${name}`);
        } catch (error) {
            nFailed++;
            print(`not ok ${i + 1} ${prefix}${name}`);
            printerr(error, error.stack);
        }
    }
    return nFailed;
}

// Each case is run by runCase, which takes it and throws what it throws.
function run(prefix, runCase) {
    const loop = new GLib.MainLoop(null, false);
    let status = 1;

    runAll(prefix, runCase).then(nFailed => {
        status = nFailed === 0 ? 0 : 1;
    }, logError).finally(() => loop.quit());
    loop.run();
    System.exit(status);
}
