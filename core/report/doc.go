// Package report makes what people read of a rollout: the text of a status, the Markdown of a job's summary, the
// table of a plan, the JSON of both, and the messages to notifiers.
//
// Names, reasons and outputs come from plans, commands and metric sources, so all of them are untrusted here: each
// medium has one function in escape.go that makes such text safe for it, and nothing else writes it.
package report
