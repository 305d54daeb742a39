/// The page's looks: light and dark, wide and narrow, screen and paper.
enum PlanStyle {
    static let sheet = Markup.verbatim(
        """
        :root{color-scheme:light dark;--bg:#fbfaf8;--fg:#1d1c1a;--soft:#5d5a55;--line:#dcd8d1;--card:#fff;--link:#0b5c8a;
        --dev-l:46%;--dev-s:58%;--heat:#e39a3b;--over:#b3261e;
        --weights:#3b6ea8;--arena:#7fa86a;--request:#c9903a;
        --matrix:#3b6ea8;--attention:#7a5ca8;--elements:#6f9a62;--talk:#d08a2e;--wait:#e4dfd6;--even:#9aa3ad;--odd:#c6ccd2}
        @media (prefers-color-scheme:dark){:root{--bg:#16181b;--fg:#e9e6e1;--soft:#a9a49c;--line:#353a40;--card:#1e2125;
        --link:#7fc4f0;--dev-l:62%;--dev-s:52%;--heat:#b26f1d;--over:#ff8a80;
        --weights:#6a9fd8;--arena:#8fbb79;--request:#dca552;
        --matrix:#6a9fd8;--attention:#a98bd6;--elements:#86b377;--talk:#dc9b45;--wait:#30343a;--even:#69727c;--odd:#434b54}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%}
        body{margin:0 auto;padding:0 1.25rem 4rem;max-width:70rem;background:var(--bg);color:var(--fg);
        font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
        .skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem}
        a{color:var(--link)}:focus-visible{outline:2px solid var(--link);outline-offset:2px}
        header{padding:2.5rem 0 .5rem}
        .kicker{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em}
        h1{margin:.1rem 0 .6rem;font-size:1.7rem;line-height:1.2;overflow-wrap:anywhere;text-wrap:balance}
        h2{margin:0 0 .4rem;font-size:1.3rem;line-height:1.25}h3{margin:1.6rem 0 .4rem;font-size:1.02rem}
        p{margin:.4rem 0 .8rem;max-width:46rem}.lead{font-size:1.05rem}
        nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin-top:1rem}
        section{margin-top:2.5rem;padding-top:1.6rem;border-top:1px solid var(--line)}
        code{font:.86em/1.4 ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
        abbr{text-decoration:underline dotted;text-underline-offset:3px;cursor:help}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:1.4rem 0 0}
        .tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
        .tiles dt{color:var(--soft);font-size:.82rem}.tiles dd{margin:0;font-size:1.12rem;font-variant-numeric:tabular-nums}
        .legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;margin:.4rem 0 .8rem;padding:0;font-size:.88rem;
        color:var(--soft)}
        .key{display:inline-block;width:.85em;height:.85em;margin-right:.4em;border-radius:2px;vertical-align:-.06em}
        .m-weights{background:var(--weights);fill:var(--weights)}.m-arena{background:var(--arena);fill:var(--arena)}
        .m-request{background:var(--request);fill:var(--request)}.limit{fill:var(--fg)}
        .a-matrix{background:var(--matrix);fill:var(--matrix)}.a-attention{background:var(--attention);fill:var(--attention)}
        .a-elements{background:var(--elements);fill:var(--elements)}.a-talk{background:var(--talk);fill:var(--talk)}
        .a-wait{background:var(--wait);fill:var(--wait)}.l-even{fill:var(--even)}.l-odd{fill:var(--odd)}
        .dev{background:hsl(var(--h) var(--dev-s) var(--dev-l));fill:hsl(var(--h) var(--dev-s) var(--dev-l))}
        .axis{margin:0 0 .2rem;color:var(--soft);font-size:.88rem}.row-title{margin:.7rem 0 .3rem;font-size:.9rem;
        font-weight:600}
        .cards{display:grid;gap:.75rem;grid-template-columns:repeat(var(--columns),minmax(0,1fr))}
        .card{background:var(--card);border:1px solid var(--line);border-top:4px solid hsl(var(--h) var(--dev-s) var(--dev-l));
        border-radius:8px;padding:.7rem .9rem;min-width:0}
        .card p{margin:0}.who{display:flex;align-items:center;gap:.5rem;overflow-wrap:anywhere}
        .place{color:var(--soft);font-size:.86rem;overflow-wrap:anywhere}
        .dot{flex:none;display:inline-grid;place-items:center;min-width:1.55em;height:1.55em;padding:0 .3em;border-radius:1em;
        background:hsl(var(--h) var(--dev-s) 32%);color:#fff;font-size:.8rem;font-weight:600}
        .bar{display:block;width:100%;height:14px;margin:.5rem 0 .25rem;background:var(--wait);border-radius:3px}
        .card .memory{font-variant-numeric:tabular-nums}.over{color:var(--over);font-weight:600}
        .parts{margin:.3rem 0 0;font-size:.84rem;color:var(--soft)}
        .parts div{display:flex;justify-content:space-between;gap:.6rem}.parts dd{margin:0;font-variant-numeric:tabular-nums}
        .compact .parts{display:none}.compact .card{padding:.5rem .6rem}.compact strong{font-size:.84rem}
        .compact .place,.compact .memory{font-size:.8rem}
        .scroll{overflow-x:auto;margin:.3rem 0 .8rem}
        table{border-collapse:collapse;font-size:.88rem;min-width:min(100%,24rem)}
        caption{text-align:left;color:var(--soft);padding:.2rem 0 .4rem;font-size:.86rem}
        th,td{padding:.28rem .8rem .28rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
        thead th{font-weight:600;color:var(--soft);white-space:nowrap}
        td code{white-space:nowrap;overflow-wrap:normal}.layer caption{display:none}
        .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .matrix td,.matrix th{padding:.35rem .7rem;white-space:nowrap}.matrix th:first-child{padding-left:0}
        .heat{background:color-mix(in srgb,var(--heat) var(--p),transparent)}
        .meanings{margin:.3rem 0 .8rem;padding-left:1.2rem;max-width:46rem;font-size:.92rem}
        .lanes{margin:.5rem 0}.lane{display:grid;grid-template-columns:7.5rem 1fr;gap:.6rem;align-items:center;margin:.3rem 0}
        .lane-name{font-size:.84rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--soft)}
        .lane svg{display:block;width:100%;height:26px;background:var(--wait);border-radius:3px}
        .lane.thin svg{height:9px}
        .ticks{display:flex;justify-content:space-between;margin-left:8.1rem;color:var(--soft);font-size:.78rem;
        font-variant-numeric:tabular-nums}
        .note{color:var(--soft);font-size:.86rem}.note:empty{display:none}
        summary{cursor:pointer;padding:.3rem 0}summary h3{display:inline;margin:0}
        .size{color:var(--soft);font-size:.84rem;margin-left:.6rem}
        .part{margin-top:.8rem}.layer{margin-left:1rem;border-left:2px solid var(--line);padding-left:.8rem}
        .slice{display:block;width:9rem;height:1.9rem;background:var(--wait);border-radius:3px}.defs{position:absolute}
        .why{color:var(--soft)}
        .glossary{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:.8rem 2rem;margin:1rem 0 0}
        .glossary dt{font-weight:600}.glossary dd{margin:0;color:var(--soft)}
        footer{margin-top:2.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.9rem}
        @media (max-width:40rem){body{padding:0 .9rem 3rem}
        .tiles{grid-template-columns:1fr 1fr;gap:.6rem}h1{font-size:1.4rem}
        .cards{grid-template-columns:repeat(min(2,var(--columns)),minmax(0,1fr))}
        .card{padding:.6rem .7rem}.lane{grid-template-columns:4.6rem 1fr}.ticks{margin-left:5.2rem}
        .ticks span:nth-child(even){display:none}.layer{margin-left:.2rem;padding-left:.5rem}
        .glossary{grid-template-columns:1fr}}
        @media print{details{break-inside:avoid}.skip,nav{display:none}}
        """)
}
