/** How the page looks: light and dark, from 320 pixels to 4k, and on paper. */
const LIGHT =
  '--bg:#fbfaf8;--panel:#fff;--fg:#1d2125;--mute:#5a6169;--line:#e5e2dc;--ok:#1b7242;--okbg:#e9f4ed;--no:#b3261e;--nobg:#fdf0ee;--un:#7d5500;--unbg:#fcf4e1;--bar:#c9d9e8;--due:#2c6fb3';
const DARK =
  '--bg:#121518;--panel:#1a1e22;--fg:#e7e9eb;--mute:#a2a9b1;--line:#2d3339;--ok:#6fcf97;--okbg:#15281d;--no:#ff9a90;--nobg:#2f1a18;--un:#f0c35c;--unbg:#2b2413;--bar:#2f4457;--due:#7db4ea';

export const STYLE = `:root{color-scheme:light dark;${LIGHT}}
@media(prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{font:clamp(15px,.3vw + 11.5px,23px)/1.5 system-ui,sans-serif;background:var(--bg);color:var(--fg)}
body{margin:0 auto;padding:clamp(1rem,3vw,3rem) clamp(.9rem,3vw,2.5rem);max-width:84rem;overflow-wrap:anywhere}
h1{font-size:clamp(1.45rem,1rem + 2vw,2.5rem);line-height:1.2;letter-spacing:-.02em;font-weight:650;margin:.3rem 0 0;max-width:34ch;text-wrap:balance}
h2{font-size:1.1rem;font-weight:650;margin:3rem 0 .8rem}
small{font-size:.82rem;color:var(--mute);font-weight:400}
p{margin:.3rem 0}ul{list-style:none;margin:0;padding:0}
code{font:.86em ui-monospace,monospace}time,td code{white-space:nowrap}
b{font-weight:600}
:focus-visible{outline:2px solid var(--due);outline-offset:2px;border-radius:3px}
.brand{display:flex;gap:.6rem;align-items:center;color:var(--mute);font-size:.85rem;flex-wrap:wrap}
.brand b{color:var(--fg)}
.dot{inline-size:.7rem;block-size:.7rem;border-radius:50%;background:var(--ok)}
.wrong .dot,.dot.wrong{background:var(--no)}.dot.unknown{background:var(--un)}
#old{background:var(--unbg);color:var(--un);padding:.6rem .9rem;border-radius:.5rem;margin-bottom:1rem}
.tiles{display:flex;flex-wrap:wrap;gap:1px;background:var(--line);border:1px solid var(--line);border-radius:.7rem;overflow:hidden;margin:1.8rem 0 0}
.tiles div{flex:1 1 8.5rem;background:var(--panel);padding:.8rem 1rem}
.tiles dt{color:var(--mute);font-size:.82rem}
.tiles dd{margin:0;font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums}
.tiles dd small{display:block}
.cards{display:grid;gap:.7rem;margin-bottom:.7rem}
.card{background:var(--panel);border:1px solid var(--line);border-inline-start:4px solid var(--no);border-radius:.5rem;padding:.8rem 1rem}
.card.unknown{border-inline-start-color:var(--un)}
.kind{margin:0;font-size:.82rem;color:var(--mute)}.kind b{color:var(--no)}.unknown .kind b{color:var(--un)}
.what{font-weight:550}
.cure{color:var(--mute)}.cure b{color:var(--ok)}.cure code{background:var(--bg);border:1px solid var(--line);border-radius:.25rem;padding:.05rem .3rem;color:var(--fg)}
.more{margin:.6rem 0}.more summary,.groups summary{color:var(--mute);cursor:pointer}
.notes li{padding:.35rem 0;border-top:1px solid var(--line)}.notes b{color:var(--mute);font-weight:500;margin-inline-end:.4rem}
.groups{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;margin-bottom:.8rem}
.find{display:flex;gap:.6rem;align-items:baseline;margin:2.4rem 0 -1.6rem;flex-wrap:wrap}
.find label{color:var(--mute);font-size:.85rem}
input{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--mute);border-radius:.4rem;padding:.3rem .6rem;max-width:100%}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:start;vertical-align:baseline;padding:.42rem .7rem;border-top:1px solid var(--line);font-weight:400}
thead th{border:0;color:var(--mute);font-size:.82rem;padding-block:.3rem}
tbody th{font-weight:550;min-width:11rem}
td small,th small{display:block;white-space:nowrap}
td i{color:var(--un);font-style:normal}td{font-size:.92rem}tbody th summary{list-style-position:outside;margin-inline-start:1rem}
.y::before,.n::before,.u::before{content:"✓ ";content:"✓ "/"served, proved ";color:var(--ok);font-weight:700}
.n{background:var(--nobg)}.n::before{content:"✕ ";content:"✕ "/"";color:var(--no)}
.u{color:var(--mute)}.u::before{content:"? ";content:"? "/"";color:var(--un)}
tr.wrong th{box-shadow:inset 3px 0 var(--no)}tr.unknown th{box-shadow:inset 3px 0 var(--un)}
.badge{display:inline-block;background:var(--nobg);color:var(--no);border-radius:.25rem;padding:0 .35rem;font-size:.8rem;font-weight:500}
.unknown .badge{background:var(--unbg);color:var(--un)}
summary{cursor:pointer}tbody tr:hover{background:var(--panel)}
details dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .7rem;margin:.5rem 0;font-size:.85rem;font-weight:400}
dt{color:var(--mute)}dd{margin:0}
.hosts{font-size:.85rem;font-weight:400;columns:12rem;max-height:16rem;overflow:auto}
button{font:inherit;color:var(--fg);background:var(--panel);border:1px solid var(--mute);border-radius:.4rem;padding:.4rem .9rem;cursor:pointer}
[hidden]{display:none!important}
.line li,.axis{display:grid;grid-template-columns:minmax(9rem,16rem) 1fr minmax(12rem,17rem);gap:.2rem 1rem;align-items:center;padding:.18rem 0}
.line svg{width:100%;height:1.15rem;display:block}
.rail{fill:var(--line)}.life{fill:var(--bar)}.due,circle{fill:var(--due)}
.key{color:var(--mute);font-size:.82rem;margin-top:.7rem}.key svg{width:.7em;height:.7em}
.when{color:var(--mute);font-size:.85rem}
.axis{color:var(--mute);font-size:.78rem;padding:0}.ticks{display:flex;justify-content:space-between}
.log li{display:grid;grid-template-columns:6.5rem 1fr minmax(8rem,18rem);gap:.1rem 1rem;padding:.45rem 0;border-top:1px solid var(--line)}
.at,.by{color:var(--mute);font-size:.85rem}.log small{margin-inline-start:.3rem}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--mute);font-size:.82rem}
@media(max-width:760px){thead{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%)}table,tbody,tr,th,td{display:block}tr{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;margin-bottom:.7rem;padding:.3rem 0}th,td{border:0;padding:.25rem .9rem}td{display:flex;gap:.4rem;align-items:baseline;flex-wrap:wrap}td[data-l]{position:relative;padding-inline-start:9rem}td[data-l]::after{content:attr(data-l);position:absolute;inset-inline-start:.9rem;inline-size:7.6rem;color:var(--mute);font-size:.85rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}td small{display:inline}.line li{grid-template-columns:1fr;padding:.5rem 0}.axis{display:none}.log li{grid-template-columns:1fr}}
@media print{:root{color-scheme:light;${LIGHT};--bg:#fff}body{padding:0;max-width:none}html{font-size:10pt}.find,.all,#old{display:none}tr,li{break-inside:avoid}h2{break-after:avoid}*{print-color-adjust:exact}}
`;
