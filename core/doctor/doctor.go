// Package doctor looks at what a rollout will need before there is one: the ledger, the sources, the commands of the
// plan, and what is deployed to. It asks the real ones and changes no target. What it finds is a value, and says what to do.
package doctor
