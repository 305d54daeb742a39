"""The suite's recipes: every annotation set of every model with XLA's bytes, from the oracle's records.

    python make_recipes.py oracle.json ../../../Tests/Fixtures/xla/recipes.json

A graph stands once; a recipe says which graph, mesh and annotations, and what XLA sends: bytes per layer and outside the
layers (all-reduce + slice costed as reduce-scatter, the better partitioner) and the collectives of a layer.
"""
import json
import sys

import graphs as gr
import oracle
import recipes as rc

KINDS = ('AR', 'AG', 'RS', 'A2A', 'CP')


def spec(sharding):
    """As in cases: a list of axes a dimension; a rank-free () has no entries."""
    return [[] if d is None else [d] if isinstance(d, str) else list(d) for d in sharding]


def sets_of(model, axes):
    if model.startswith('parti_step'):
        return rc.decode_sets(axes)
    if model.startswith(('muse', 'parti')):
        return rc.transformer_sets(axes)
    plain = {'ffn': rc.ffn_sets, 'attn': rc.attn_sets}.get(model)
    if plain is None:
        plain = rc.head_sets if model.startswith(('embed', 'head')) else rc.conv_sets
    if model.startswith('pipeline'):
        plain = lambda axes: {'stage': {'w': ('model', None, None), 'state': ('model', None, None), 'x': (None,) * 3}}
    return {name: (None, s) for name, s in plain(axes).items()}


def graph_of(model, layout, batch):
    """Name and builder of a model's graph."""
    muse, parti = dict(oracle.MUSE, layout=layout), dict(oracle.PARTI, layout=layout)
    head = dict(oracle.PARTI, S=256)
    piece = model.split('_', 1)[-1]
    if model in ('muse', 'muse_scan', 'muse_48_layers'):
        return f'muse/{layout}', lambda n: gr.muse(n, muse)
    if model == 'muse_bf16':
        return f'muse/{layout}/bf16', lambda n: gr.muse(n, dict(muse, dtype='bf16'))
    if model in ('parti_encoder', 'parti_decoder', 'parti_step'):
        return f'{model}/{layout}', lambda n: getattr(gr, model)(n, parti)
    if model in ('ffn', 'attn'):
        return model, lambda n: getattr(gr, model)(n, oracle.MUSE)
    if model.startswith('embed'):
        return model, lambda n: gr.embed(n, head, piece)
    if model.startswith('head'):
        return model, lambda n: gr.head(n, head, piece)
    if model.startswith('vqgan'):
        return f'{model}/{batch}', lambda n: gr.vqgan(n, dict(oracle.CONV, B=batch), piece)
    return model, lambda n: gr.pipeline(n, dict(oracle.MUSE, B=16), piece)


def cost(record):
    """(bytes per layer or in all, bytes outside layers, collectives) of the better stage."""
    best = None
    for stage in ('spmd', 'opt'):
        if stage not in record:
            continue
        part = record[stage].get('per_layer', record[stage])
        edge = record[stage].get('edge')
        counts = {k: part[k]['count'] for k in KINDS if k in part and part[k]['count']}
        found = (part['total']['ring_rs'], edge['total']['ring_rs'] if edge else 0, counts)
        if best is None or found[0] < best[0]:
            best = found
    return best


def main(source, destination):
    with open(source) as file:
        results = json.load(file)
    records = {}
    for record in results['results']:
        records.setdefault((record['model'], record['mesh'], record['set']), []).append(record)
    graphs, lines = {}, []
    for (model, mesh, name), found in records.items():
        axes = [[a, int(n)] for a, n in (part.split(':') for part in mesh.split('x'))]
        layout, annotations = sets_of(model, [a for a, _ in axes])[name]
        key, build = graph_of(model, layout, found[0].get('B'))
        if key not in graphs:
            graphs[key] = build(key)
        named = {k: spec(s) for k, s in annotations.items() if s is not None}
        if model == 'parti_step':
            named.setdefault('t', [])
            if 'cache' in named:
                named.setdefault('cross_cache', named['cache'])
        layer, edge, counts = min((cost(r) for r in found if 'error' not in r), key=lambda c: c[0])
        depth = 48 if model == 'muse_48_layers' else 1
        lines.append(dict(model=model, mesh=axes, set=name, graph=key, annotations=named, layers=depth,
                          bytes=layer, edge=edge, collectives=counts))
    dump = lambda value: json.dumps(value, separators=(',', ':'))
    with open(destination, 'w') as file:
        file.write('{"meta":' + dump({k: results['meta'][k] for k in ('jax', 'jaxlib')}) + ',\n"graphs":[\n')
        file.write(',\n'.join(dump(g) for g in graphs.values()) + '\n],\n"recipes":[\n')
        file.write(',\n'.join(dump(r) for r in lines) + '\n]}\n')
    print(len(graphs), 'graphs,', len(lines), 'recipes ->', destination)


if __name__ == '__main__':
    main(*sys.argv[1:])
