// Says which Node.js pemfleet wants, in words that each Node.js can read: the programs themselves an old one cannot even parse.
'use strict';
(() => {
  var wanted = [20, 19];
  var running = process.versions.node.split('.').map(Number);
  if (running[0] > wanted[0] || (running[0] === wanted[0] && running[1] >= wanted[1])) return;
  process.stderr.write(
    `pemfleet: wanted Node.js ${wanted.join('.')} or newer, saw ${process.versions.node} (${process.execPath}). ` +
      'The packages (.deb, .rpm) and the executables of a release need no Node.js.\n',
  );
  // EX_CONFIG, as for each fault of a configuration
  process.exit(78);
})();
