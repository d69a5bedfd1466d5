package connectors

import "testing"

func TestAllParse(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		t.Log(c.Name, len(c.Tables[0].Columns))
	}
}
