package spec

import "github.com/goccy/go-yaml"

// Document reads a YAML file of others, whatever it says, as maps, lists and plain values.
func Document(file string, data []byte) (v any, err error) {
	if err = yaml.Unmarshal(data, &v); err != nil {
		return nil, syntaxProblem(file, err)
	}
	return v, nil
}
