"""Compiles the recipes' graphs with XLA and compares with what it sent for the models: both must be the same program.

    python check_graphs.py ../../../Tests/Fixtures/xla/recipes.json [words that titles contain]
"""
import json
import sys

import core
import hlo
import minigraph
from cases import args_of, spec_of


def expand(graph, recipe, layers):
    """A recipe's graph with so many layers, as a case."""
    names, inputs, nodes, annotations = {}, [], [], {}

    def resolve(id_, prefix):
        full = prefix + id_[2:] if id_.startswith('L.') else id_
        return names.get(full, full)

    def add(ins, ops, prefix):
        for i in ins:
            id_ = resolve(i['id'], prefix)
            inputs.append(dict(i, id=id_))
            if i['name'] in recipe['annotations']:
                annotations[id_] = recipe['annotations'][i['name']]
        for n in ops:
            m = dict(n, id=resolve(n['id'], prefix), **{'in': [resolve(o, prefix) for o in n['in']]})
            if n['op'] == 'constraint':
                if n['attrs']['name'] not in recipe['annotations']:
                    names[m['id']] = m['in'][0]
                    continue
                m['attrs'] = dict(sharding=recipe['annotations'][n['attrs']['name']])
            nodes.append(m)
    add(graph['inputs'], graph['before'], '')
    layer, extra = graph['layer'], []
    if layer:
        names['@'] = resolve(layer['given'], '')
        for i in range(layers):
            add(layer['inputs'], layer['nodes'], f'l{i}.')
            extra += [resolve(o, f'l{i}.') for o in layer['outputs']]
            names['@'] = resolve(layer['gives'], f'l{i}.')
    add([], graph['after'], '')
    outputs = [resolve(o, '') for o in graph['outputs']] + extra
    return dict(graph=dict(inputs=inputs, nodes=nodes, outputs=outputs), mesh=recipe['mesh'], annotations=annotations)


def sent(case, partitioner):
    mesh = core.M(case['mesh'])
    keep = lambda x, s: core.constrain(x, mesh, spec_of(s))
    r = core.compile_one(minigraph.to_function(case, keep), args_of(case, mesh), mesh, partitioner)
    return min(hlo.summarize(r[stage], mesh.n)['total']['ring_rs'] for stage in ('spmd', 'opt'))


def main(path, *words):
    with open(path) as file:
        record = json.load(file)
    graphs = {g['name']: g for g in record['graphs']}
    bad = 0
    for recipe in record['recipes']:
        title = f"{recipe['model']} {'x'.join(f'{a}:{n}' for a, n in recipe['mesh'])} {recipe['set']}"
        if words and not any(w in title for w in words):
            continue
        graph = graphs[recipe['graph']]
        found = {}
        for part in ('shardy', 'gspmd'):
            low = sent(expand(graph, recipe, 2), part)
            found[part] = (sent(expand(graph, recipe, 4), part) - low) / 2 * recipe['layers'] if graph['layer'] else low
        best = min(found.values())
        same = abs(best - recipe['bytes']) <= 1e-3 * max(1.0, recipe['bytes'])
        bad += not same
        print('same  ' if same else 'DIFFER', title, found, recipe['bytes'], flush=True)
    print(bad, 'differ')


if __name__ == '__main__':
    main(*sys.argv[1:])
