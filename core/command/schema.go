package command

import "github.com/breakwater-ci/breakwater/core/config"

type schemaCmd struct {
	Of string `arg:"" optional:"" help:"plan or policy." enum:"plan,policy" default:"plan"`
}

// Run prints the JSON Schema of a plan, or of a policy.
func (c *schemaCmd) Run(s *ship) error {
	write := config.Schema
	if c.Of == "policy" {
		write = config.PolicySchema
	}
	schema, err := write(catalog())
	if err != nil {
		return err
	}
	_, err = s.Stdout.Write(schema)
	return err
}
