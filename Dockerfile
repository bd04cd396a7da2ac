# mmrl with its extras, for CPUs:   docker build -t mmrl .
# for CUDA:                         docker build -t mmrl-cuda --build-arg TORCH=cu130 .
# docs/installation.md has the commands that run it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir -c constraints.txt hatchling \
    && python -m hatchling build -t wheel -d /dist

FROM python:${PYTHON}-slim
# cpu, or a version of CUDA: torch's packages bring CUDA's libraries, the host has the driver
ARG TORCH=cpu
WORKDIR /tmp/install
COPY constraints.txt requirements.lock ./
RUN pip install --no-cache-dir -c constraints.txt torch torchvision \
        --index-url "https://download.pytorch.org/whl/${TORCH}" \
    && pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY --from=build /dist /tmp/install/dist
RUN pip install --no-cache-dir --no-deps dist/*.whl && rm -r /tmp/install

RUN useradd --create-home --uid 1000 mmrl && mkdir /runs /cache && chown mmrl /runs /cache
USER 1000
# compiled kernels, and models that were downloaded: a volume keeps them
ENV NUMBA_CACHE_DIR=/cache/kernels HF_HOME=/cache/huggingface PYTHONUNBUFFERED=1
WORKDIR /runs
ENTRYPOINT ["mmrl"]
CMD ["doctor"]
