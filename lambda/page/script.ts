/**
 * What the page does in a browser: times by the clock of who looks, a word when the page is old, the rows and hosts that wait, a filter. It
 * sends nothing, loads nothing, and makes text only.
 */
export const SCRIPT = `(()=>{"use strict";
const d=document,all=(s,r=d)=>[...r.querySelectorAll(s)],at=Date.parse(d.body.dataset.at);
const span=ms=>{const m=ms/6e4;return m<1?Math.max(0,Math.floor(ms/1e3))+" s":m<60?Math.floor(m)+" min":m<2880?Math.floor(m/60)+" h":Math.floor(m/1440)+" days"};
const times=r=>{const now=Date.now();for(const e of all("time[data-t]",r)){const ms=now-Date.parse(e.dateTime);e.textContent=e.dataset.t=="a"?span(Math.max(0,ms)):ms<0?"in "+span(-ms):span(ms)+" ago"}};
const old=d.getElementById("old"),tick=()=>{const ms=Date.now()-at;if(ms<-3e5)return;times(d);old.hidden=ms<78e5;if(!old.hidden)old.textContent="This page shows how things stood "+span(ms)+" ago. If it is written after each pass, no pass has written it since."};
tick();setInterval(tick,3e4);
const draw=s=>{const t=s.querySelector("template");if(t){s.querySelector("tbody").append(t.content);t.remove();s.querySelector(".all").hidden=true;times(s)}};
for(const b of all(".all button")){b.hidden=false;b.onclick=()=>{const s=b.closest("section");draw(s);s.querySelector("summary").focus()}}
const code="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_~";
d.addEventListener("toggle",e=>{const t=e.target,h=t.closest("table")?.dataset.hosts;if(!h||!t.dataset.p||!t.open||t.querySelector(".hosts"))return;
const u=d.createElement("ul"),p=t.dataset.p;u.className="hosts";u.tabIndex=0;u.setAttribute("aria-label","Hosts");
h.split(" ").forEach((n,i)=>{const v=code.indexOf(p[Math.min(i,p.length-1)]),l=d.createElement("li");l.textContent=n+": "+(v<1?"not served":v<2?"served, unproven":"served, proved about "+span(Math.pow(1.2,v-2)*6e4+Math.max(0,Date.now()-at))+" ago");u.append(l)});t.append(u)},true);
const f=d.getElementById("find");if(f){f.closest(".find").hidden=false;const n=d.getElementById("hits");f.oninput=()=>{const w=f.value.trim().toLowerCase();if(w)all("section").forEach(draw);let k=0;for(const r of all("tbody tr")){r.hidden=w!==""&&!r.textContent.toLowerCase().includes(w);if(!r.hidden)k++}n.textContent=w?k+" found":""}}
})()`;
