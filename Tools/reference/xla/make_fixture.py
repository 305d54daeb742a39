"""The suite's fixture from the oracle's records: what the tests read, one case a line.

    python make_fixture.py cases.json ../../../Tests/Fixtures/xla/cases.json

Left out of each record: HLO-level detail (collectives, memory, the optimised stage).
"""
import json
import sys

KEPT = ('name', 'category', 'note', 'mesh', 'graph', 'annotations', 'agree', 'xla_result_wrong', 'bar')
EXPECTED = ('input_shardings', 'node_shardings')


def number(value):
    """4608.0 as 4608."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def slim(case):
    result = {key: case[key] for key in KEPT if key in case}
    if result.get('bar'):
        result['bar'] = dict(ring_bytes=number(result['bar']['ring_bytes']))
    result['expected'] = {
        partitioner: {key: record[key] for key in EXPECTED if key in record}
        for partitioner, record in case.get('expected', {}).items()}
    return result


def main(source, destination):
    with open(source) as file:
        record = json.load(file)
    meta = {key: record['meta'][key] for key in ('jax', 'jaxlib')}
    meta['format'] = 'Tools/reference/xla/README.md'
    # An input whose annotation does not divide it is no program to XLA.
    cases = [c for c in record['cases'] if not all('error' in r for r in c['expected'].values())]
    lines = [json.dumps(slim(case), separators=(',', ':')) for case in cases]
    with open(destination, 'w') as file:
        file.write('{"meta":' + json.dumps(meta) + ',\n"cases":[\n' + ',\n'.join(lines) + '\n]}\n')
    print(len(lines), 'cases ->', destination)


if __name__ == '__main__':
    main(*sys.argv[1:])
