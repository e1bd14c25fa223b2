# What a Dataflow worker runs, or a Flink or Spark worker with --environment_type=DOCKER: Beam, the
# locked packages and this project. No torch: training does not happen there.
#
# Build and push from the repository's root, anew after every change under pipeline/ or corpus/: a
# worker whose code or libraries are not those of the machine that starts the run refuses to work.
#
#   IMAGE=REGION-docker.pkg.dev/PROJECT/gristmill/worker:0.1.0
#   gcloud artifacts repositories create gristmill --repository-format=docker --location=REGION
#   gcloud auth configure-docker REGION-docker.pkg.dev
#   docker build --platform linux/amd64 -f pipeline/worker.Dockerfile -t $IMAGE . && docker push $IMAGE

# The version of Beam's start-up program must be that of the SDK in .constraints/worker.txt, and
# the Python that of the locks and of the machine that starts the run (steps travel as pickles,
# and Python brings the Unicode tables that documents depend on).
FROM apache/beam_python3.11_sdk:2.77.0

# First what seldom changes, so that a change of code uploads one small layer. Every package is
# pinned by hash and replaces whatever version the base image came with; --no-deps, since the lock
# already holds what each one needs.
COPY .constraints/worker.txt /opt/gristmill/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /opt/gristmill/worker.txt

# train/ is only there because pyproject.toml lists it; nothing in it is imported.
COPY pyproject.toml README.md LICENSE /opt/gristmill/
COPY corpus /opt/gristmill/corpus
COPY pipeline /opt/gristmill/pipeline
COPY train /opt/gristmill/train
RUN pip install --no-cache-dir --no-deps /opt/gristmill

# Beam would make a virtual environment at each start, to install what was staged; nothing is.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
# The driver sets these for local workers. Nothing is ever fetched from a hub.
ENV TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

# The base image's entry point starts Beam's worker and stays as it is. Workers run as root, as
# in the base image: the machine is Dataflow's own and lives as long as the job.
