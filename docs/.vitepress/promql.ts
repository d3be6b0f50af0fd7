/** Queries of Prometheus, as far as ours go: the highlighter knows them not. */
export const promql = {
  name: 'promql',
  scopeName: 'source.promql',
  patterns: [
    { name: 'comment.line.number-sign', match: '#.*$' },
    { name: 'string.quoted.double', match: '"[^"]*"' },
    { name: 'constant.numeric', match: '\\b\\d+(\\.\\d+)?(ms|[smhdwy])?\\b' },
    { name: 'keyword.operator', match: '\\b(by|without|on|ignoring|and|or|unless|offset|bool)\\b' },
    { name: 'entity.name.function', match: '\\b[a-z_]+(?= *(\\(|by\\b|without\\b))' },
  ],
  repository: {},
};
