# Other names for `python3 dev JOB`. Arguments go in ARGS: make test ARGS="-k claim"

JOBS := demo test check bench format docs build

.PHONY: help $(JOBS)

help:
	@python3 dev

$(JOBS):
	@python3 dev $@ $(ARGS)
