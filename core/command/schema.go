package command

import "github.com/breakwater-ci/breakwater/core/config"

type schemaCmd struct{}

// Run prints the JSON Schema of a plan.
func (c *schemaCmd) Run(s *ship) error {
	schema, err := config.Schema(catalog())
	if err != nil {
		return err
	}
	_, err = s.Stdout.Write(schema)
	return err
}
